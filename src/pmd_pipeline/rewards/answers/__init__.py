"""Whether an answer equals the reference answer, as a mathematician would say."""
