"""Looks at an account and a deployment, and changes nothing: `aistratus doctor`.

`checks` is the list of what is looked at, by name. `findings` has the three verdicts, `patient`
what the checks share.
"""
