"""The API: one request is found, admitted, read, served and answered.

`handler` is the Lambda's entry, `app` what it calls; `python -m` this package writes the document.
"""
