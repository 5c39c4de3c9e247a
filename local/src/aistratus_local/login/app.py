"""The pages and endpoints, at the same paths as Cognito's."""

import hmac
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from authlib.oauth2 import OAuth2Error
from flask import Flask, Response, jsonify, redirect, render_template, request, session
from werkzeug.wrappers import Response as BaseResponse

from aistratus_local.login.doorman import Doorman, TooManyTries
from aistratus_local.login.grants import Store, authorization_server
from aistratus_local.login.guesses import Guesses
from aistratus_local.login.pool import Person, UserPool
from aistratus_local.login.tokens import Grant, TokenMaker
from aistratus_local.visitors import Visitors, at_port

SESSION_SECONDS: Final = 3600
MAX_FORM_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class LoginSettings:
    """The login's address, the pool that it serves, and the user whose password it may show."""

    url: str
    pool_id: str
    demo_user: str = ""
    demo_password: str = ""

    @property
    def issuer(self) -> str:
        """`iss` of every token."""
        return f"{self.url}/{self.pool_id}"


def create_app(
    settings: LoginSettings,
    pool: UserPool,
    guesses: Guesses | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Flask:
    """The login as a WSGI application."""
    app = Flask(__name__)
    port = urlsplit(settings.url).port or 80
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        # Cookies ignore ports: two logins on one machine must not share one.
        SESSION_COOKIE_NAME=f"aistratus-login-{port}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
    )
    # Authlib's debug log contains tokens.
    logging.getLogger("authlib").setLevel(logging.WARNING)
    tokens = TokenMaker(settings.issuer)
    store = Store()
    server = authorization_server(app, pool, tokens, store)
    _add_guard(app, port)
    _add_pages(app, settings, Doorman(pool, guesses or Guesses(), sleep), server)
    _add_documents(app, settings, tokens)
    _add_errors(app)

    @app.post("/oauth2/token")
    def token() -> Any:
        return server.create_token_response()

    @app.post("/oauth2/revoke")
    def revoke() -> Any:
        answer = server.create_endpoint_response("revocation")
        # RFC 7009: clients ignore the body of a success; Cognito sends none.
        return Response(status=200) if answer.status_code == 200 else answer

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        # Not "no-referrer": with that, the form's own Origin would be "null".
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    return app


def _add_guard(app: Flask, port: int) -> None:
    """Check each request's origin (see `visitors`); apps redirect browsers here from elsewhere."""
    visitors = Visitors("login", at_port(port), has_pages=True)

    @app.before_request
    def look() -> BaseResponse | None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        turned_away = visitors.turn_away(request.method, headers)
        return None if turned_away is None else _problem(turned_away.sentence, turned_away.status)


def _add_pages(app: Flask, settings: LoginSettings, doorman: Doorman, server: Any) -> None:
    @app.get("/oauth2/authorize")
    def authorize() -> BaseResponse:
        try:
            grant = server.get_consent_grant(end_user=None)
        except OAuth2Error as error:
            return _refusal(server, error)
        scopes = (request.args.get("scope") or "").split()
        if any(scope not in grant.client.scopes for scope in scopes):
            return _back(grant.redirect_uri, "invalid_scope")
        person = _signed_in()
        if person is not None and request.args.get("prompt") != "login":
            return _issue_code(server, grant, person, int(session["at"]))
        if request.args.get("prompt") == "none":
            return _back(grant.redirect_uri, "login_required")
        return _page(settings, grant.redirect_uri)

    # The form is posted to the address that it was loaded from, with the same query.
    @app.post("/oauth2/authorize")
    def sign_in() -> BaseResponse:
        try:
            grant = server.get_consent_grant(end_user=None)
        except OAuth2Error as error:
            return _refusal(server, error)
        sent = request.form.get("csrf", "")
        if (
            not hmac.compare_digest(sent.encode(), str(session.get("csrf", "")).encode())
            or not sent
        ):
            return _page(settings, grant.redirect_uri, "This page was too old. Sign in again.", 403)
        name, password = request.form.get("username", ""), request.form.get("password", "")
        try:
            person = doorman.sign_in(grant.client.client_id, name.strip(), password)
        except TooManyTries as error:
            page = _page(settings, grant.redirect_uri, str(error), 429)
            page.headers["Retry-After"] = str(error.wait_seconds)
            return page
        if person is None:
            sentence = "The name or the password is not right. Try again."
            return _page(settings, grant.redirect_uri, sentence, 401)
        return _issue_code(server, grant, person, int(session["at"]))

    @app.get("/logout")
    def logout() -> BaseResponse:
        client = doorman.pool.app(request.args.get("client_id", ""))
        target = request.args.get("logout_uri", "")
        if client is None or target not in client.logout_urls:
            return _problem("This address to go to after signing out is not registered.")
        for signed_in in ("person", "at", "csrf"):
            session.pop(signed_in, None)
        return redirect(target)


def _add_documents(app: Flask, settings: LoginSettings, tokens: TokenMaker) -> None:
    @app.get(f"/{settings.pool_id}/.well-known/jwks.json")
    def jwks() -> Response:
        return jsonify(tokens.jwks())

    @app.get(f"/{settings.pool_id}/.well-known/openid-configuration")
    def configuration() -> Response:
        url = settings.url
        return jsonify(
            {
                "issuer": settings.issuer,
                "jwks_uri": f"{settings.issuer}/.well-known/jwks.json",
                "authorization_endpoint": f"{url}/oauth2/authorize",
                "token_endpoint": f"{url}/oauth2/token",
                "revocation_endpoint": f"{url}/oauth2/revoke",
                "end_session_endpoint": f"{url}/logout",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
            }
        )

    @app.get("/health")
    def health() -> Response:
        return jsonify({"status": "ok"})


def _add_errors(app: Flask) -> None:
    @app.errorhandler(404)
    @app.errorhandler(405)
    def nothing_here(_: object) -> BaseResponse:
        return _problem("There is nothing at this address.", 404)


def _issue_code(server: Any, grant: Any, person: Person, auth_time: int) -> BaseResponse:
    user = Grant(person, grant.client.client_id, "", auth_time)
    answer: BaseResponse = server.create_authorization_response(grant_user=user, grant=grant)
    return answer


def _signed_in() -> Person | None:
    """The person who signed in with this browser within the last hour."""
    known = session.get("person")
    if not known or time.time() - int(session["at"]) > SESSION_SECONDS:
        return None
    return Person(**known)


def _page(
    settings: LoginSettings, redirect_uri: str, sentence: str = "", status: int = 200
) -> Response:
    session["csrf"] = session.get("csrf") or secrets.token_urlsafe(24)
    nonce = secrets.token_urlsafe(16)
    page = render_template(
        "sign_in.html",
        csrf=session["csrf"],
        nonce=nonce,
        sentence=sentence,
        name=request.form.get("username", settings.demo_user),
        password=settings.demo_password,
        is_demo=bool(settings.demo_password),
    )
    # Browsers also apply form-action to the redirect that answers the form.
    target = urlsplit(redirect_uri)
    return _guarded(page, nonce, status, f"'self' {target.scheme}://{target.netloc}")


def _problem(sentence: str, status: int = 400) -> Response:
    nonce = secrets.token_urlsafe(16)
    page = render_template("problem.html", nonce=nonce, sentence=sentence)
    return _guarded(page, nonce, status, "'none'")


def _guarded(page: str, nonce: str, status: int, form_action: str) -> Response:
    response = Response(page, status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; "
        f"form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    )
    response.headers["X-Frame-Options"] = "DENY"
    return response


def _refusal(server: Any, error: OAuth2Error) -> BaseResponse:
    """Report a bad request: to the app if its redirect address is registered, else on a page."""
    if getattr(error, "redirect_uri", None):
        answer: BaseResponse = server.handle_error_response(None, error)
        return answer
    return _problem(
        "This sign-in was asked for by an app, or for an address, that is not registered here. "
        "Go back to the app and sign in from there."
    )


def _back(redirect_uri: str, code: str) -> BaseResponse:
    query = {"error": code}
    if request.args.get("state"):
        query["state"] = request.args["state"]
    return redirect(f"{redirect_uri}?{urlencode(query)}")
