"""Stage 3: rollouts of the initial policy, and the prompts selected by them."""

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.pipelines.rollout_generation import nodes


def create_pipeline(**_: object) -> Pipeline:
    """Return the stage."""
    return Pipeline(
        [
            Node(
                nodes.generate_rollouts,
                inputs=[
                    "train_problems",
                    "initial_policy",
                    "rollout_engine",
                    "params:rollout_generation",
                    "params:training",
                    "params:rewards",
                    "params:compute",
                    "params:seed",
                ],
                outputs="initial_rollouts",
                name="generate_rollouts",
            ),
            Node(
                nodes.compute_prompt_statistics,
                inputs="initial_rollouts",
                outputs="prompt_statistics",
                name="compute_prompt_statistics",
            ),
            Node(
                nodes.select_prompts,
                inputs=[
                    "train_problems",
                    "prompt_statistics",
                    "params:rollout_generation",
                    "params:training",
                ],
                outputs="selected_prompts",
                name="select_prompts",
            ),
        ],
        namespace="rollout_generation",
        prefix_datasets_with_namespace=False,
        tags="rollout_generation",
    )
