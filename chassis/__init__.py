"""How Tongban's services travel and are kept. Here stand the words in which a service is written; beside them the wings
`law`, `heart`, `drivers`, `web` and `run`.

Services import from here; this package must never import a service or the sandbox.
"""
