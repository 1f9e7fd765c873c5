"""What a test wants of the code under test beside what must always hold, by its markers."""

import pytest
from careless import run, said, text

PRELUDE = """
@pytest.fixture(params=["tmp_path", "pyfakefs", "memory"], autouse=True)
def every_backend(request):
    request.applymarker(mark.fakehv(backend=request.param))

def move(cluster, *names):
    for name in names:
        cluster.migrate(name, to="node2")

def begin(cluster, *names):
    node1, node2 = cluster
    for name in names:
        node1.add_instance(name)
        node1.MigrateInstance("c", node1.instance(name), "node2", True)

def end(cluster, *names):
    node1, node2 = cluster
    for name in names:
        node1.FinalizeMigrationSource(node1.instance(name), False, True)
        node2.FinalizeMigrationDst(node1.instance(name), "", False)

"""

MOVES, BEGINS = 22, 28
"""The lines in which move() and begin() make their calls."""


def met(name, other, number):
    place = f"FinalizeMigrationDst('{name}', '', True) on node2 at test_it.py:{MOVES}"
    return text("together", f"{name} came to node2 while {other} ran there", f"call {number}, {place}")


def test_apart(pytester):
    """Every marker counts, wherever it stands."""
    result = run(
        pytester,
        PRELUDE
        + """
pytestmark = mark.fakehv_apart("web1", "web2")

def declare(cluster):
    for name in "web1", "db1", "app1":
        cluster.add_instance(name, node="node1")
    for name in "web2", "db2", "app2":
        cluster.add_instance(name, node="node2")

@mark.fakehv_apart("db1", "db2")
class TestIt:
    @mark.fakehv_apart("app2", "app1")
    def test_a(self, fakehv_cluster):
        declare(fakehv_cluster)
        move(fakehv_cluster, "web1", "db1", "app1")

    def test_b(self, fakehv_cluster):
        declare(fakehv_cluster)
        move(fakehv_cluster, "app1", "db1")

def test_c(fakehv_cluster):
    declare(fakehv_cluster)
    move(fakehv_cluster, "app1", "db1")

@mark.fakehv(allow=["together"])
def test_d(fakehv_cluster):
    declare(fakehv_cluster)
    move(fakehv_cluster, "web1")
""",
    )
    result.assert_outcomes(passed=6, failed=6)
    found = said(result)
    for backend in "tmp_path", "pyfakefs", "memory":
        met_by_a = [*met("web1", "web2", 6)[:2], *met("db1", "db2", 12)[:2], *met("app1", "app2", 18)]
        assert found[f"TestIt.test_a[{backend}]"] == met_by_a
        assert found[f"TestIt.test_b[{backend}]"] == met("db1", "db2", 12)


def test_at_most(pytester):
    """The closest marker counts, for each node; one that names it, first."""
    result = run(
        pytester,
        PRELUDE
        + """
pytestmark = [mark.fakehv_at_most(migrations=1), mark.fakehv_at_most(migrations=9, node="node2")]

@mark.fakehv_at_most(migrations=2)
class TestIt:
    def test_a(self, fakehv_cluster):
        begin(fakehv_cluster, "web1", "web2")
        end(fakehv_cluster, "web1", "web2")

    def test_b(self, fakehv_cluster):
        begin(fakehv_cluster, "web1", "web2", "web3")
        end(fakehv_cluster, "web1", "web2", "web3")

    @mark.fakehv_at_most(migrations=3)
    def test_c(self, fakehv_cluster):
        begin(fakehv_cluster, "web1", "web2", "web3")
        end(fakehv_cluster, "web1", "web2", "web3")

    @mark.fakehv_at_most(migrations=3, node="node1")
    @mark.fakehv_at_most(migrations=0)
    def test_d(self, fakehv_cluster):
        begin(fakehv_cluster, "web1", "web2", "web3")
        end(fakehv_cluster, "web1", "web2", "web3")

def test_e(fakehv_cluster):
    begin(fakehv_cluster, "web1", "web2")
    end(fakehv_cluster, "web1", "web2")

@mark.fakehv(allow=["crowded"])
def test_f(fakehv_cluster):
    begin(fakehv_cluster, "web1", "web2")
    end(fakehv_cluster, "web1", "web2")
""",
    )
    result.assert_outcomes(passed=12, failed=6)
    found = said(result)
    for backend in "tmp_path", "pyfakefs", "memory":
        for test, names in ("TestIt.test_b", ["web1", "web2", "web3"]), ("test_e", ["web1", "web2"]):
            count, last = len(names), names[-1]
            listed = ", ".join(f"{name} to node2" for name in names)
            call = f"call {count}, MigrateInstance('c', '{last}', 'node2', True)"
            assert found[f"{test}[{backend}]"] == text(
                "crowded",
                f"node1 had {count} migrations at once, of at most {count - 1}: {listed}",
                f"{call} on node1 at test_it.py:{BEGINS}",
            )


@pytest.mark.parametrize("args", [(), ("-n", "2", "--dist", "loadfile")], ids=["alone", "xdist"])
def test_of_a_cluster_of_wider_scope_each_test_answers_for_its_own(pytester, args):
    result = run(
        pytester,
        PRELUDE.replace("autouse=True", "")
        + """
@pytest.fixture(scope="module")
def cluster(fakehv_factory):
    cluster = fakehv_factory()
    cluster.keep_apart("web1", "web2", "web3")
    cluster.keep_at_most(migrations=1, node="node1")
    for name in "web1", "web2", "web3":
        cluster.add_instance(name)
    return cluster

def test_a(cluster): move(cluster, "web1")

def test_b(cluster): move(cluster, "web2")

def test_c(cluster): cluster["node1"].ListInstances()

def test_d(cluster): begin(cluster, "db1")

def test_e(cluster): begin(cluster, "db2")

def test_f(cluster): end(cluster, "db1", "db2")
""",
        *args,
    )
    found = said(result)
    assert found["test_b"] == met("web2", "web1", 12)
    assert found["test_e"][3:5] == [
        "crowded: node1 had 2 migrations at once, of at most 1: db1 to node2, db2 to node2",
        f"  since call 15, MigrateInstance('c', 'db2', 'node2', True) on node1 at test_it.py:{BEGINS}",
    ]
    together_or_crowded = {
        test
        for test, lines in found.items()
        if any(line.startswith(("together", "crowded")) for line in lines)
    }
    assert together_or_crowded == {"test_b", "test_e"}


def test_what_broke_is_on_the_page(pytester):
    result = run(
        pytester,
        """
@mark.fakehv_apart("web1", "web2")
@mark.fakehv_instance("web1", node="node1")
@mark.fakehv_instance("web2", node="node2")
def test_it(fakehv_cluster):
    fakehv_cluster.migrate("web1", to="node2")
""",
        "--fakehv-report=page.html",
    )
    result.assert_outcomes(failed=1)
    assert "together: web1 came to node2 while web2 ran there" in (pytester.path / "page.html").read_text()
