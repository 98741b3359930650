"""pass@k: the chance that at least one of k samples is right."""


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Return the unbiased estimate ``1 - C(n - c, k) / C(n, k)``.

    It is the share of the ways to draw k of the n samples, without replacement, that hold a right
    one. Drawing with replacement instead is biased low.

    Args:
        num_samples: n, samples of one problem.
        num_correct: c, right ones among them.
        k: Samples drawn, at most n.

    Raises:
        ValueError: If not ``0 <= c <= n`` and ``1 <= k <= n``.

    Source: Chen et al. 2021, arXiv:2107.03374, equation 1.
    """
    if not 0 <= num_correct <= num_samples:
        raise ValueError(
            f"num_correct must be between 0 and num_samples {num_samples}, found {num_correct}"
        )
    if not 1 <= k <= num_samples:
        raise ValueError(f"k must be between 1 and num_samples {num_samples}, found {k}")
    num_wrong = num_samples - num_correct
    if num_wrong < k:
        return 1.0
    # C(n - c, k) / C(n, k) as a product of ratios in (0, 1]: no large numbers arise.
    all_wrong = 1.0
    for i in range(k):
        all_wrong *= (num_wrong - i) / (num_samples - i)
    return 1.0 - all_wrong
