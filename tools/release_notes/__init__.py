"""The changelog's section of one version, as the notes of its release."""
