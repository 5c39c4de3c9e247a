"""README's moving picture: filmed from the running demo, in a browser without a screen."""
