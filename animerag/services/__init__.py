"""What the app can do, as plain async services; pages and the command line only call these."""
