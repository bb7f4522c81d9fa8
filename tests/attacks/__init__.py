"""What was tried to get into somebody else's session, each attack against a running application.

One file an attacker, or an attack:

`test_fixation`          who plants a session in a browser before its owner logs in
`test_replay`            who has a copy of a cookie, and uses it when the session is over
`test_logout_races`      who has a request on its way while the session is ended
`test_false_cookies`     who sends something else that he knows in place of the session id
`test_cookie_tossing`    who can put cookies into the browser, as a sibling domain can
`test_stolen_table`      who can read the table of the sessions, or write it
`test_garbled_rows`      who has written nonsense into it
`test_timing`            who has a stopwatch
`test_flood`             who comes again and again without a cookie
`test_payloads`          who decides what is stored
`test_confused_subject`  who has a say in whose sessions are ended
`test_leaks`             who reads logs, tracebacks, events and pages for developers

The rest of the suite shows single behaviours on which this rests; `scenes` is the application that
is attacked.
"""
