"""Embeds texts and writes answers: the embedded encoder, or a server that speaks the OpenAI protocol.

It knows nothing of shows, questions or storage: it takes texts, returns vectors or text, and translates vendor errors.
`local` and `openai` implement `ports`, `discovery` finds local servers, `pricing` computes costs.
"""
