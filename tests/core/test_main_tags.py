"""The main tags of each level."""

from __future__ import annotations

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import DEFAULT_MAIN_TAGS, IDENTIFIER_OF, MainTags, tag_key


def test_every_level_keeps_what_identifies_it() -> None:
    for level in Level:
        assert IDENTIFIER_OF[level] in DEFAULT_MAIN_TAGS[level]


def test_no_tag_stands_twice_at_a_level() -> None:
    for tags in DEFAULT_MAIN_TAGS.values():
        assert len(set(tags)) == len(tags)


def test_further_tags_change_the_signature_of_their_level_only() -> None:
    plain, more = MainTags.build(), MainTags.build({Level.STUDY: [0x00104000, 0x00080020, 0x00104000]})
    assert more.by_level[Level.STUDY] == (*plain.by_level[Level.STUDY], 0x00104000)
    changed = {level for level in Level if plain.signatures[level] != more.signatures[level]}
    assert changed == {Level.STUDY}
    keys = more.signatures[Level.STUDY].split(";")
    assert keys == sorted(keys)
    assert "0010,4000" in keys


def test_levels_of_a_tag() -> None:
    assert MainTags.build().levels_of(0x00200037) == (Level.SERIES, Level.INSTANCE)
    assert MainTags.build().levels_of(0x7FE00010) == ()
    assert tag_key(0x7FE00010) == "7fe0,0010"
