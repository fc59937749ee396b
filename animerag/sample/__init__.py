"""The catalogue and questions that ship with the app: facts are public, every description is our own."""
