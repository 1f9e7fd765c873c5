"""What a violation of each invariant says that a correct program does."""

ADVICE = {
    "split-brain": (
        "a correct program starts an instance, or lets it arrive, only where it is known to run nowhere else"
    ),
    "vanished": (
        "a correct program aborts a migration only once it has looked at both nodes, and finalizes one with "
        "success on both or on none"
    ),
    "unfinished": (
        "a correct program ends every migration on both nodes, also a refused or failed one, and tries again "
        "where a finalize fails"
    ),
    "unearned": (
        "a correct program finalizes with success only once the status says completed; else it aborts on both"
    ),
    "double-start": (
        "a correct program starts an instance only once it is confirmed that it is stopped everywhere else; "
        "on a node that does not answer it may run"
    ),
    "together": (
        "a correct program looks what runs on a node before it lets another one that is kept apart come there"
    ),
    "crowded": (
        "a correct program begins one more migration only once another is finalized or aborted on the node"
    ),
    "left-paused": (
        "a correct program looks at both hosts after each migration: it resumes what runs nowhere else, and "
        "destroys what is left of what runs there"
    ),
    "forgotten": (
        "a correct program asks for VIR_MIGRATE_PERSIST_DEST where it asks for VIR_MIGRATE_UNDEFINE_SOURCE"
    ),
    "orphaned": (
        "a correct program deletes each volume that it has made and that no domain uses any more, also where "
        "what it was made for has failed"
    ),
    "overcommit": "a correct program asks a node for its free memory before it gives any of it away",
    "unfired": (
        "a correct test has its fault strike a call that is made; one that may never fire has optional=True"
    ),
}
