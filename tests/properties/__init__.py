"""Properties: what holds whatever comes in, held against models that hypothesis tries to break.

test_mapping        the session against a plain dict, over requests and without any
test_settings       whatever the settings are: what they mean, or one error that names them all
test_cookies        whatever a client sends as cookies, and what is sent as ours
test_rows           whatever stands in a row
test_sealed         whatever is handed to what opens, reads and verifies
test_command_line   whatever `prune_sessions` is called with, and reads

`strategies` has what several of them draw from, `moves` what is done to a mapping, and `effort`
says how many examples are tried: few, and always the same, unless the environment asks for more
(`SQLSESSION_EXAMPLES`; CONTRIBUTING.rst).
"""
