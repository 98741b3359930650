"""Dressed up, a right answer stays right; with anything that matters added, it is wrong.

``@`` stands for the reference answer.
"""

from collections.abc import Iterator

import pytest

from pmd_pipeline.rewards import GradingPool

GOLDS = (
    "5",
    "-7",
    r"\frac12",
    r"\sqrt2",
    "x^2+1",
    "(1,2)",
    "1,-2",
    r"\frac{\sqrt3}{3}",
    r"90^\circ",
)
DRESSED = r"""
@
$@$
$$@$$
\(@\)
\[@\]
@.
@,
{@}
{{@}}
\left. @ \right.
\displaystyle @
\displaystyle{@}
\mathbf{@}
\boldsymbol{@}
\boxed{@}
**@**
**$@$**
`@`
\,@\,
\; @ \;
\quad @
@ \quad
@\\
~@~
\bf{@}
{\rm @}
\ensuremath{@}
\begin{equation} @ \end{equation}
\begin{align*} @ \end{align*}
\color{blue}{@}
\textcolor{blue}{@}
\underline{@}
\large @
{\Large @}
\text{$@$}
\underline{\underline{@}}
\textbf{Answer: }@
\text{Answer: } @
\text{The answer is } @
Answer: @
The final answer is @
The answer is $@$.
\therefore @
\implies @
\phantom{} @
"""
CHANGED = r"""
@ + 1
@ - 1
@ + x
-(@)
2(@)
\frac{@}{7}
\frac{7}{@}
@ \text{ or } 7
7 \text{ or } @
@, 7
7, @
@; 7
@ \\ 7
7 \\ @
@ \quad 7
@ \text{ and } 9
@ / 7
\{@, 9\}
(@, 9)
[@, 9]
(9, @)
@ \neq @
@ < 9
x < @
x > @
\ge @
@ \ldots
@, \ldots
@ = 9
9 = @
x = @, y = 9
x = 9, y = @
\begin{cases} @ \\ 9 \end{cases}
\begin{array}{c} @ \\ 9 \end{array}
\begin{pmatrix} @ \\ 9 \end{pmatrix}
@ \cup 9
@ \pm 1
\pm (@)
1 \pm (@)
\text{not } @
\neg (@)
\overset{@}{9}
\stackrel{9}{@}
@ \text{ more than } 9
@ \text{ less than } 9
@ \text{ million}
@ \text{ thousand}
@ \text{ squared}
@ \text{ mod } 9
@ \pmod 9
@ \choose 9
@ + i
@ i
@ e
@ x
@ \cdot 10^3
@ \times 10^{-3}
\sin(@)
\log(@)
\sqrt{@}
\sqrt[3]{@}
|@ - 9|
\lfloor @ \rfloor + 1
@ \% 9
@ \to 9
@ \implies 9
@ \rightarrow 9
@ \text{ if } x > 0, 9 \text{ otherwise}
\text{between } @ \text{ and } 9
\text{from } @ \text{ to } 9
@ - 9
@ : 9
@ \& 9
@ | 9
@ 9
9 @
\text{@ or 9}
\text{@, 9}
@ \text{ or something else}
@ \text{ or maybe not}
@ (\text{or } 9)
@ (9)
@ [9]
@ \{9\}
{@}{9}
@ \vee 9
\mathrm{@ \; or \; 9}
@ \text{ apples and } 9 \text{ pears}
@ \text{ apples}, 9 \text{ pears}
@ \text{ cm}, 9 \text{ cm}
\boxed{@} \boxed{9}
@ \newline 9
@ \hspace{1cm} 9
@ \phantom{1} 9
@ \ 9
@ ~ 9
@ \; 9
@,9
@,999
@,\!999
@ 999
@'
@''
\underline{@} 9
\hat{@} + 1
(@)'
\frac{d}{dx} (@)
\int @ dx
\sum_{i=1}^{9} (@)
\lim_{x \to @} (x + 1)
@ \in \{9\}
9 \in \{@\}
@ \mid 9
\emptyset
\infty
-\infty
\text{undefined}
0
()
[]
\{\}
=
= =
==@9
x
?
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[GradingPool]:
    with GradingPool(num_workers=2, timeout_seconds=2) as pool:
        yield pool


@pytest.mark.parametrize("gold", GOLDS)
def test_dressed_answer_is_right(pool: GradingPool, gold: str) -> None:
    answers = [template.replace("@", gold) for template in DRESSED.strip().splitlines()]
    grades = pool.grade_many([rf"\boxed{{{a}}}" for a in answers], [gold] * len(answers))
    assert [g for g in grades if not g.correct] == []


@pytest.mark.parametrize("gold", GOLDS)
def test_changed_answer_is_wrong(pool: GradingPool, gold: str) -> None:
    answers = [template.replace("@", gold) for template in CHANGED.strip().splitlines()]
    grades = pool.grade_many([rf"\boxed{{{a}}}" for a in answers], [gold] * len(answers))
    assert [g for g in grades if g.correct] == []
