"""Works a job's rows: feed → attempt → settle → commit, under limits, obeying what is requested of the job.

A row's way: ``feeder`` hands it out, ``gatekeeper`` lets it pass, ``attempt`` calls the processor, ``settle`` rules on
what came back, and ``runner`` commits it together with whatever its slot does next.
"""
