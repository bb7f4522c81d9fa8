"""For the tests of applications: begin a session, look at it, count its cost, move its clock.

Nothing here needs pytest. A `testapp` is a `webtest.TestApp`, or what is used like one.
"""

from pyramid_sqlsession.testing.clock import Clock, clock_ahead
from pyramid_sqlsession.testing.costs import session_costs
from pyramid_sqlsession.testing.sessions import begin_session, session_of

__all__ = ["Clock", "begin_session", "clock_ahead", "session_costs", "session_of"]
