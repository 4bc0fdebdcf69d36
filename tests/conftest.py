from hypothesis import settings

settings.register_profile("rowmill", deadline=None)  # a busy machine is slow at times, which is no failure
settings.load_profile("rowmill")
