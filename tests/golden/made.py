# SPDX-License-Identifier: MIT
"""Golden traces made up by Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from renacer_otel.analysis.golden import model
from renacer_otel.analysis.golden.model import Range

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_count = st.integers(0, 2**62)
_range = st.tuples(_count, _count).map(lambda pair: Range(min(pair), max(pair)))
_item = st.builds(
    model.Item,
    _text,
    st.lists(st.builds(model.Argument, _text, _text), max_size=3).map(tuple),
    _text,
    st.sampled_from(model.Rank),
)
_samples = st.lists(st.integers(-1, 2**62), max_size=5).map(tuple)
_texts = st.lists(_text, max_size=3).map(tuple)


@st.composite
def _roles(draw: st.DrawFn) -> tuple[model.Role, ...]:
    found: list[model.Role] = []
    for number in range(draw(st.integers(0, 3))):
        items = draw(st.lists(st.builds(model.Counted, _item, _range, _text), max_size=4))
        indexes = (
            st.lists(st.integers(0, len(items) - 1), max_size=4).map(tuple)
            if items
            else st.just(())
        )
        found.append(
            model.Role(
                f"p{number}",
                draw(_text),
                draw(st.lists(st.builds(model.Argument, _text, _text), max_size=3).map(tuple)),
                draw(st.sampled_from([role.name for role in found])) if found else "",
                draw(_range),
                draw(_range),
                draw(_texts),
                draw(_texts),
                tuple(items),
                tuple(draw(st.lists(st.builds(model.Group, indexes, _range), max_size=3))),
                tuple(draw(st.lists(st.builds(model.Chain, indexes, _range), max_size=3))),
                draw(
                    st.lists(
                        st.builds(model.Stream, _text, _text, _range, _text, st.booleans()),
                        max_size=3,
                    ).map(tuple)
                ),
                draw(st.booleans()),
            )
        )
    return tuple(found)


@st.composite
def goldens(draw: st.DrawFn) -> model.Golden:
    """Whatever a file may hold."""
    roles = draw(_roles())
    names = [role.name for role in roles]
    links: st.SearchStrategy[tuple[model.Link, ...]] = st.just(())
    if names:
        one = st.sampled_from(names)
        links = st.lists(st.builds(model.Link, _text, one, one, st.booleans()), max_size=3).map(
            tuple
        )
    form = model.Canonical(
        roles,
        draw(links),
        draw(
            st.builds(
                model.Figures,
                *[_samples] * 5,
                st.dictionaries(_text, _samples, max_size=3),
                _samples,
            )
        ),
        draw(st.dictionaries(_text, _count, max_size=3)),
        draw(_texts),
        draw(st.booleans()),
        draw(_texts),
    )
    return model.Golden(draw(_text), draw(_texts), draw(st.integers(1, 99)), draw(_text), form)
