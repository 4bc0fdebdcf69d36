"""The same verbs without a server: the application and what works the jobs, in a thread of this process."""
