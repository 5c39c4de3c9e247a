"""A stand-in for Cognito's managed login, which the emulator has not.

Authorization code with PKCE, refresh, revocation, JWKS; RS256 tokens with Cognito's claims. Users
and the registered app are the emulator's own user pool, asked over boto3.
"""
