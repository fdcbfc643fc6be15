"""Tickets: everything this service takes and publishes. The messages stand by their noun; importing this registers them all."""

from bailiwick_contracts import (  # noqa: F401 - their messages register with this module
    deadline_adoption,
    escalation,
    follow_up,
    handling,
    incident,
    letter,
    ticket,
    ticket_import,
    ticket_query,
    ticket_work,
)
