"""Sign-in pages: `/sign-in`, `/first` for the start-up link, `/sign-out`."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mainspring.domain.errors import BusyError, MainspringError
from mainspring.service.access.sign_in import SignInOrigin, SignInService
from mainspring.web.pages.page_renderer import PageRenderer, describe_error, read_form, retry_after_s

INVALID_CREDENTIALS = "name or password is wrong"
START_PAGE = "/"
_LONGEST = 2_000


class SignInPages:
    """The pages. `provider` = the displayed name of the identity provider; None = there is none."""

    def __init__(self, pages: PageRenderer, sign_in: SignInService, provider: str | None = None) -> None:
        self._pages = pages
        self._sign_in = sign_in
        self._provider = provider

    def routes(self) -> list[Route]:
        """Return the routes of the pages."""
        return [
            Route("/sign-in", self.ask, methods=["GET"]),
            Route("/sign-in", self.enter, methods=["POST"]),
            Route("/first", self.first, methods=["GET"]),
            Route("/sign-out", self.leave, methods=["POST"]),
        ]

    def sign_in_origin(self, request: Request) -> SignInOrigin:
        """Return the origin of a sign-in."""
        browser = request.headers.get("user-agent", "")
        return SignInOrigin(self._pages.site.address(request), browser, self._pages.authenticator.cookie(request))

    async def ask(self, request: Request) -> Response:
        """Show the form."""
        return self._form(request, 200, request.query_params.get("next", ""))

    async def enter(self, request: Request) -> Response:
        """Sign in by name and password."""
        form, origin = read_form(request), self.sign_in_origin(request)
        name, password, back = form.get("name", ""), form.get("password", ""), form.get("next", "")
        try:
            key = await self._pages.run(lambda: self._sign_in.by_password(name, password, origin))
        except MainspringError as error:
            status, message = describe_error(error)
            response = self._form(request, status, back, message)
            if isinstance(error, BusyError):
                response.headers["Retry-After"] = str(retry_after_s(error))
            return response
        return self._form(request, 401, back, INVALID_CREDENTIALS) if key is None else self.start_session(key, back)

    async def first(self, request: Request) -> Response:
        """Sign in by the start-up link. A HEAD request does not use it up."""
        token, origin = request.query_params.get("token", ""), self.sign_in_origin(request)
        if request.method != "GET" or not token:
            return self._form(request, 200 if token else 404, "")
        try:
            key = await self._pages.run(lambda: self._sign_in.by_link(token, origin))
        except MainspringError as error:
            status, message = describe_error(error)
            return self._form(request, status, "", message)
        if key is None:
            message = "this link was used, or is older than ten minutes: mainspring open prints a new one"
            return self._form(request, 404, "", message)
        return self.start_session(key, START_PAGE)

    async def leave(self, request: Request) -> Response:
        """Sign out, in the browser and in the store."""
        session = await self._pages.authenticator.session(request)
        if session is not None:
            try:
                await self._pages.run(lambda: self._sign_in.sign_out(session))
            except MainspringError as error:
                status, message = describe_error(error)
                return self._form(request, status, "", message)
        response = RedirectResponse(f"{self._pages.site.base}/sign-in", 303)
        self._pages.site.forget(response)
        return response

    def start_session(self, key: str, back: str) -> Response:
        """Return the response that sets the cookie of a new session and redirects."""
        path = self._pages.site.local(back if 0 < len(back) <= _LONGEST else START_PAGE)
        response = RedirectResponse(quote(path, safe="/?&=%:,+*~.-_@"), 303)
        self._pages.site.keep(response, key)
        return response

    def _form(self, request: Request, status: int, back: str, message: str = "") -> Response:
        values = {"next": back if len(back) <= _LONGEST else "", "provider": self._provider}
        return self._pages.page(request, "people/sign_in.html", status, message=message, **values)
