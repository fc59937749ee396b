"""Embeds texts and writes answers: the embedded encoder, or a server that speaks the OpenAI protocol.

Knows nothing of shows, questions or storage: texts in, vectors or text out, vendor errors as ours.
Way through: `local` and `openai` implement `ports`, `discovery` finds servers on this machine, `pricing` counts money.
"""
