"""The server of exported models, held against what strangers send.

Three kinds of processes, and bytes between them (`wire`):

==============  ========================================================================
the front       `server`, `app`: speaks HTTP, keeps count, touches no pixel; it never
                imports jax
decoders        `decoder`: each picture is opened in a process of its own that may not
                open a file, with little memory and little time
a worker        one for each model, `worker`: runs the network; when it ends, another
                one takes its place
==============  ========================================================================

What is refused is a `Refused`, which becomes `{"error": ..., "code": ...}`.
"""
