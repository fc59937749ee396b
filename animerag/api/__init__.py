"""The doors for programs: MCP, an OpenAI-compatible API, and shows as JSON, over the services that the pages use.

Knows nothing of pages and answers nothing itself: a door reads a request, calls one service and writes its protocol.
Way through: `doors` sorts requests by path, `access` decides who may enter, `backend` reaches the services, and the
other modules speak one protocol each.
"""
