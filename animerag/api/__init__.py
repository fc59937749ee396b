"""The API for programs: MCP, OpenAI-compatible chat completions, and shows as JSON.

It knows nothing of pages, and answers nothing itself: an endpoint reads a request, calls the service that a page would
call, and writes the response of its protocol.
`endpoints` routes requests by path, `access` checks tokens and sizes, `backend` calls the services, and
each other module implements a part of one protocol.
"""
