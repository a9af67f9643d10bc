"""Facts about the secrets of a project, never their values."""
