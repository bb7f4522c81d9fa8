"""Properties: what holds whatever comes in, held against models that hypothesis tries to break.

test_mapping        the session against a plain dict, over requests and without any
test_settings       whatever the settings are: what they mean, or one error that names them all
test_cookies        whatever a client sends as cookies, and what is sent as ours
test_rows           whatever stands in a row
test_sealed         whatever is handed to what opens, reads and verifies
test_command_line   whatever `prune_sessions` is called with, and reads
test_one_browser    whatever two requests of one browser do at a time: the promises themselves

`strategies` has what several of them draw from, `moves` what is done to a mapping, and `effort`
says how many examples are tried: few, and always the same, unless the environment asks for more
(`SQLSESSION_EXAMPLES`; CONTRIBUTING.rst).

`test_one_browser` is held against `sessions` (the rows, and what a view sees of them) and `visits`
(one request). `flights` has real requests that stop where they are told to, `windows` pairs the
two, `probes` reads the table, and `choices` says what may happen, and how often.
"""
