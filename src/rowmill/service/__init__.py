"""The operations that every interface calls: take tables in, submit, work, control, browse, deliver."""
