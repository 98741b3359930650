"""How responses are sampled from a policy."""

from pydantic import Field

from pmd_pipeline.config.base import StrictModel


class SamplingConfig(StrictModel):
    """Sampling distribution and length limit, for rollouts or for evaluation."""

    temperature: float = Field(
        default=1.0, ge=0.01, le=2, description="divides the logits; the range is vLLM's"
    )
    top_p: float = Field(default=1.0, gt=0, le=1, description="nucleus mass that is kept; 1: all")
    top_k: int = Field(default=0, ge=0, description="most likely tokens that are kept; 0: all")
    max_new_tokens: int = Field(ge=1, description="longest response, stop token included")

    @property
    def keeps_full_support(self) -> bool:
        """True when no token is excluded, so that log-probs need no renormalisation."""
        return self.top_p == 1 and self.top_k == 0
