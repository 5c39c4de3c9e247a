"""A stand-in for Cognito's managed login, which the emulator lacks.

Authorization code with PKCE, refresh, revocation, JWKS; RS256 tokens with Cognito's claims. Users
and the registered app are in the emulator's user pool, which it calls through boto3.
"""
