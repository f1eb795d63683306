"""The browser of the person who logs in."""

import urllib.error
import urllib.parse
import urllib.request

from waiting import PATIENCE


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Page:
    def __init__(self, status, url, location, text):
        self.status, self.url, self.location, self.text = status, url, location, text


def fetch(url, patience=PATIENCE):
    """GETs one page without following where it points."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        with opener.open(url, timeout=patience) as response:
            return Page(response.status, url, response.headers.get("Location"), response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, url, error.headers.get("Location"), error.read().decode())


def authorize(url, account="acme", decision="allow"):
    """The person clicks at the provider; gives the URL that the browser is sent to."""
    page = fetch(url + "&" + urllib.parse.urlencode({"_account": account, "_decision": decision}))
    assert page.status == 302, "the authorization server said %d: %s" % (page.status, page.text)
    return page.location


def browse(url, **person):
    """The whole way: the provider's page, the click, and the page that the redirect leads to."""
    return fetch(authorize(url, **person))


def parameters_of(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
