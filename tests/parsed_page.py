"""The elements of a page, and texts that would break one."""

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "rect", "circle", "path", "source", "img"}


class Page(HTMLParser):
    """A page's elements, and that each is closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.open = []
        self.found = []
        self.said = []
        self.names = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open and "script" not in self.open:
            self.said.append(" ".join(data.split()))
        if "h3" in self.open:
            self.names.append(" ".join(data.split()))

    @property
    def scripts(self):
        """How many there are that could run: data can't."""
        return len(self.all("script")) - len(self.all("script", type="application/json"))

    def all(self, tag, **wanted):
        attributes = {key.rstrip("_"): value for key, value in wanted.items()}
        return [
            own
            for each, own in self.found
            if each == tag and all(own.get(key) == value for key, value in attributes.items())
        ]

    @property
    def words(self):
        return "\n".join(each for each in self.said if each)


ATTACKS = [
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "</title></style></svg><svg onload=alert(1)>",
    "]]><!-- --><![CDATA[",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#60;",
    "\x00\x1b[31m\x07\udcff\u202e",
]
