"""An API server, asked: one request, one answer.

Nothing that network or server do is raised by `send`: an answer of status 0 is the lack of one,
and says why. Where the server knows us no longer, credentials are read anew, once. `get` raises
`ClusterError` for whatever is not the object that was asked for. The `kubernetes` package gives
connection, TLS and credentials; its models are never loaded: they cost 0.3 s at start, and three
times the memory and time of the JSON (kubernetes 37, 10,000 Services).
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient
from pydantic import BaseModel
from urllib3 import exceptions

from ferrule.compiler.errors import Diagnostic, ObjectRef, Place, error, printable
from ferrule.observe.cluster_config import ClusterError, Login, login

CONNECT_S = 5.0
READ_S = 60.0
LONGEST_WAIT_S = 5  # a busy server says when to ask again
MOST_SAID = 300
FORMS = {
    "json": "application/json",
    "merge": "application/merge-patch+json",  # RFC 7386
    "strategic": "application/strategic-merge-patch+json",  # lists by their keys; not for CRDs
    "apply": "application/apply-patch+yaml",  # server-side apply; JSON is YAML
}
HELP = {
    "cluster-unauthorized": "a token or certificate may have expired: log in again",
    "cluster-forbidden": "ask for a role that may read it",
}

M = TypeVar("M", bound=BaseModel)


class _Patience(urllib3.Retry):
    """Only a server that is busy (429, 503) and says for how long is asked again."""

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, LONGEST_WAIT_S)


PATIENCE = _Patience(3, connect=0, read=0, other=0, allowed_methods=None, raise_on_status=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered; `status` 0 is no answer, `code` and `problem` then say why."""

    status: int
    content: bytes = field(default=b"", repr=False)
    code: str = ""
    problem: str = ""
    date: datetime | None = None  # by the server's clock

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def said(self) -> str:
        """Why it is not, in the server's own words where there are some; one line."""
        if self.problem:
            return self.problem
        try:
            said = json.loads(self.content)["message"]
        except (ValueError, RecursionError, LookupError, TypeError):
            said = next((one.phrase for one in HTTPStatus if one == self.status), "")
        return printable(f"{self.status} {said}"[:MOST_SAID])


class Api:
    """One API server; threads may share it."""

    patience: urllib3.Retry = PATIENCE

    def __init__(
        self, login: Login, *, connect_s: float = CONNECT_S, read_s: float = READ_S
    ) -> None:
        self.name = f"context {login.context}"
        self.server = login.server
        self.place = Place(None, ObjectRef("context", login.context))
        self._timeout = urllib3.Timeout(connect=connect_s, read=read_s)
        self._entering = threading.Lock()
        self.enter(login)
        if not login.configuration.verify_ssl:  # the user's own choice, no news at each request
            urllib3.disable_warnings(exceptions.InsecureRequestWarning)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        form: str = "json",
    ) -> Answer:
        """One request with its one answer; `form` is that of the body, one of FORMS."""
        login = self.login
        answer = self._answer(method, path, query, body, form)
        if answer.status == HTTPStatus.UNAUTHORIZED and self.renew(login):
            answer = self._answer(method, path, query, body, form)
        return answer

    def enter(self, login: Login) -> None:
        """Be who that login says, over connections of its own."""
        self._pool = ApiClient(login.configuration).rest_client.pool_manager
        self.login = login

    def renew(self, used: Login) -> bool:
        """Read credentials anew, unless another thread has done so since `used`."""
        with self._entering:
            if self.login is used:
                try:
                    self.enter(used.again())
                except ClusterError:  # the server's own refusal says what matters
                    return False
            return True

    def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        body: object,
        form: str,
    ) -> Answer:
        try:
            reply = self.request(method, path, query=query, body=body, form=form)
        except exceptions.HTTPError as bad:
            return self.unanswered(bad)
        return Answer(reply.status, reply.data, date=_date(reply.headers.get("Date")))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        form: str = "json",
        whole: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        """The answer as it comes, read whole or not yet; raises what urllib3 does."""
        headers = {**self.login.headers(), "Accept": FORMS["json"]}
        if body is not None:
            headers["Content-Type"] = FORMS[form]
        return self._pool.request(
            method,
            str(self.login.configuration.host).rstrip("/") + path + _query(query),
            body=None if body is None else json.dumps(body),
            headers=headers,
            timeout=self._timeout,
            retries=self.patience,
            redirect=False,  # credentials go nowhere else
            preload_content=whole,
        )

    def unanswered(self, bad: exceptions.HTTPError) -> Answer:
        """What urllib3 raised, as the lack of an answer."""
        return _unanswered(bad, self._timeout)

    def get(self, model: type[M], path: str, what: str, **query: str | int) -> M:
        """What is at `path`; `what` names it in messages."""
        return self.read(model, self.send("GET", path, query=query), what)

    def read(self, model: type[M], answer: Answer, what: str) -> M:
        """What an answer holds; raises `ClusterError` where it is not what was asked for."""
        if answer.ok:
            try:
                return model.model_validate(json.loads(answer.content))
            except (ValueError, RecursionError):  # pydantic's refusal is a ValueError too
                answer = replace(answer, problem="the answer is something else")
        raise ClusterError(self.refusal(answer, what))

    def refusal(self, answer: Answer, what: str) -> Diagnostic:
        """Why there is no `what`."""
        code, message = answer.code, f"{what} cannot be read: {answer.said}"
        if code == "cluster-tls":
            message = f"no TLS with {self.server}: {answer.said}"
        elif code == "cluster-unreachable":
            message = f"{self.server} does not answer: {answer.said}"
        elif answer.status == HTTPStatus.UNAUTHORIZED:
            code = "cluster-unauthorized"
            message = f"{self.server} does not let us in: {answer.said}"
        elif answer.status == HTTPStatus.FORBIDDEN:
            code = "cluster-forbidden"
        else:
            code = "cluster-unreadable"
        return error(code, message, self.place, help=HELP.get(code))


class Impatient(Api):
    """Each request is sent once: for whoever has to ask something before the next try."""

    patience = urllib3.Retry(0, raise_on_status=False)


def connect(kubeconfig: str | None = None, context: str | None = None) -> Api:
    """The API server of a context, not asked yet; raises `ClusterError`."""
    return Api(login(kubeconfig, context))


def _query(query: Mapping[str, str | int] | None) -> str:
    return f"?{urlencode(query)}" if query else ""


def _unanswered(bad: exceptions.HTTPError, timeout: urllib3.Timeout) -> Answer:
    """The lack of an answer in our words: the package's own hold addresses of its objects."""
    if isinstance(bad, exceptions.MaxRetryError) and isinstance(bad.reason, exceptions.HTTPError):
        return _unanswered(bad.reason, timeout)
    if isinstance(bad, exceptions.ReadTimeoutError):
        code = "cluster-unreadable"
    else:
        code = "cluster-tls" if isinstance(bad, exceptions.SSLError) else "cluster-unreachable"
    return Answer(0, code=code, problem=printable(_words(bad, timeout)))


def _words(bad: exceptions.HTTPError, timeout: urllib3.Timeout) -> str:
    cause = next(
        (one for one in (*bad.args[-1:], bad.__cause__) if isinstance(one, Exception)), None
    )
    if isinstance(bad, exceptions.ProxyError) and isinstance(cause, exceptions.HTTPError):
        return f"its proxy: {_words(cause, timeout)}"
    if isinstance(bad, exceptions.LocationValueError):
        return "its URL cannot be used"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return cause.reason.lower().replace("_", " ")
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    if isinstance(bad, exceptions.ConnectTimeoutError):
        return f"no connection within {timeout.connect_timeout:g} s"
    if isinstance(bad, exceptions.ReadTimeoutError):
        return f"no answer within {timeout.read_timeout:g} s"
    return "the connection broke"


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
