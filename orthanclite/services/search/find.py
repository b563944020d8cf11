"""Searching resources: the one way for ``tools/find``, C-FIND and QIDO-RS.

Constraints on main tags and computed tags are answered by the index. A constraint on anything else is tested
on the file of one instance of each candidate, as far as ``StorageAccessOnFind`` allows. Matches come page by
page: a caller who stops (a C-CANCEL, a client that has gone) stops the search, and memory does not grow with
the number of matches.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orthanclite.core.errors import BadRequest
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF, MainTags, tag_key
from orthanclite.core.model import Parts, ResourceRef
from orthanclite.core.ports import Resources, Search
from orthanclite.core.query import COMPUTED_TAGS, MAXIMUM_PATTERN, Constraint, FindRequest, Match, constraint
from orthanclite.core.text.matching import predicate
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.services.search.requested_tags import RequestedTags

Pages = Generator[list[str], None, bool]
"""Orthanc IDs of matches, page by page; the value returned at the end tells whether the limit of the server
(``LimitFindResults``, ``LimitFindInstances``) has left some out."""

Values = Mapping[int, object]
"""Values of tags, as :meth:`RequestedTags.resolve` gives them."""

Answers = Generator[Values, None, bool]
"""For each match, the values of the tags that were asked for; returns the same as :data:`Pages`."""

_FIRST_PAGE = 500
_PAGE = 10_000
"""Orthanc IDs that are fetched at a time: few at first, so that an answer begins soon."""
_BATCH = 100
"""Candidates whose files are read, and answers whose tags are looked up, between two looks at the caller."""


@dataclass(frozen=True, slots=True)
class FindOptions:
    """What the configuration says of searches."""

    limit_results: int = 0  # most patients, studies or series; 0 is no limit
    limit_instances: int = 0
    filter_by_files: bool = True  # False unless StorageAccessOnFind is "Always"

    def limit(self, level: Level) -> int:
        """The most resources of a level that are answered; 0 for no limit."""
        return self.limit_instances if level is Level.INSTANCE else self.limit_results


class FindService:
    """Runs searches. Thread-safe."""

    def __init__(
        self,
        search: Search,
        resources: Resources,
        requested_tags: RequestedTags,
        main_tags: MainTags,
        dictionary: TagDictionary,
        options: FindOptions,
    ) -> None:
        self._search = search
        self._resources = resources
        self._requested_tags = requested_tags
        self._main_tags = main_tags
        self._dictionary = dictionary
        self._options = options

    def parse_tag(self, text: str) -> int:
        """The tag that ``text`` names.

        :raises UnknownDicomTag: for a text that names none.
        """
        return self._dictionary.parse_tag(text)

    def constraint(
        self, tag: int, value: str, case_sensitive: bool = False, creator: str = ""
    ) -> Constraint | None:
        """What ``value`` asks of ``tag``, in the notation of PS3.4 C.2.2.2; None for universal matching.

        :param creator: the private creator of a private tag, where it is known
        :raises ParameterOutOfRange: for a wildcard where the value representation has none.
        """
        vr = self._dictionary.vr(tag, creator or self._dictionary.creator_of(tag))
        return constraint(tag, vr, value, case_sensitive, creator)

    def is_indexed(self, constraint: Constraint) -> bool:
        """Whether the index alone can test a constraint.

        It can for a main tag of any level: one of a lower level than the request's never matches, as in the
        reference.
        """
        return constraint.tag in COMPUTED_TAGS or self.is_main_tag(constraint.tag)

    def is_main_tag(self, tag: int) -> bool:
        """Whether the index keeps a tag, at any level."""
        return bool(self._main_tags.levels_of(tag))

    def pages(self, request: FindRequest) -> Pages:
        """The Orthanc IDs of the matches, in order, ``since`` and the limits applied."""
        bound, capped = self._bound(request)
        # One more than the server may answer tells whether some are left out.
        wanted = bound + 1 if capped else request.limit
        found = 0
        for page in self._matches(replace(request, limit=wanted)):
            if capped and found + len(page) > bound:
                rest = page[: bound - found]
                if rest:
                    yield rest
                return True
            found += len(page)
            yield page
        return False

    def ids(self, request: FindRequest) -> list[str]:
        """The Orthanc IDs of all matches together: for searches that are known to find few."""
        return [id for page in self.pages(request) for id in page]

    def count(self, request: FindRequest) -> int:
        """How many resources match, whatever ``since``, ``limit`` and the limits of the server.

        :raises BadRequest: for a constraint that only files can answer.
        """
        for one in request.constraints:
            if not self.is_indexed(one):
                raise BadRequest(f"Cannot count by {tag_key(one.tag)}, which the Database does not store")
        return self._search.count(request)

    def answers(
        self,
        request: FindRequest,
        tags: Sequence[int],
        from_files: Sequence[Constraint] = (),
        accepts: Callable[[Values], bool] | None = None,
    ) -> Answers:
        """For each match the values of ``tags``: text, the items of a sequence in the full rendering, or
        None where the file has it not; a tag that the index knows to be absent is missing.

        Each is looked up just before it is yielded, a small batch at a time.

        :param from_files: constraints to test on files, whatever the index can tell
        :param accepts: what the values must fulfil besides
        """
        known, unknown = self._split(request, from_files)
        if unknown and not self._options.filter_by_files:
            return False
        bound, capped = self._bound(request)
        limit = bound + 1 if capped else request.limit
        skip = 0
        if unknown or accepts is not None:
            skip, known = request.since, replace(known, since=0, limit=0)
        else:
            known = replace(known, limit=limit)
        count = 0
        for batch in self._resolved(known, tags, unknown):
            for _, values in batch:
                if accepts is not None and not accepts(values):
                    continue
                if skip:
                    skip -= 1
                    continue
                if capped and count == bound:
                    return True
                count += 1
                yield values
                if count == limit:
                    return False
        return False

    def lookup(self, identifier: str) -> list[ResourceRef]:
        """The resources whose DICOM identifier is ``identifier``, whatever its case, from patients down."""
        found: list[ResourceRef] = []
        if len(identifier) > MAXIMUM_PATTERN:  # there is none of that length
            return found
        for level, tag in IDENTIFIER_OF.items():
            same = Constraint(tag, Match.EQUAL, (identifier,))
            ids = self._search.find_ids(FindRequest(level, (same,)))
            found.extend(ResourceRef(level, id) for id in ids)
        return found

    def _bound(self, request: FindRequest) -> tuple[int, bool]:
        """The most answers that the server gives, and whether the request asks for more."""
        bound = self._options.limit(request.level)
        return bound, bound > 0 and (request.limit == 0 or request.limit > bound)

    def _split(
        self, request: FindRequest, from_files: Sequence[Constraint] = ()
    ) -> tuple[FindRequest, list[Constraint]]:
        """The part of a request that the index can answer, and the constraints to test on files."""
        known = tuple(one for one in request.constraints if self.is_indexed(one))
        unknown = [one for one in request.constraints if not self.is_indexed(one)]
        return replace(request, constraints=known), [*unknown, *from_files]

    def _matches(self, request: FindRequest) -> Iterator[list[str]]:
        known, unknown = self._split(request)
        if not unknown:
            return self._indexed(known)
        if not self._options.filter_by_files:
            return iter(())  # the reference, too, takes what it may not read for absent
        return self._by_files(known, unknown)

    def _indexed(self, request: FindRequest) -> Iterator[list[str]]:
        """The matches of a request that the index can answer."""
        if request.order_by or 0 < request.limit <= _PAGE:
            # Sorted in one go: with pages of their own, resources could move from one to the next.
            page = self._search.find_ids(request)
            if page:
                yield page
            return
        left, size = request.limit, _FIRST_PAGE
        while True:
            step = min(size, left) if left else size
            page = self._search.find_ids(replace(request, limit=step))
            if page:
                yield page
            left -= len(page) if left else 0
            if len(page) < step or (request.limit and not left):
                return
            request, size = replace(request, since=0, after=page[-1]), _PAGE

    def _by_files(self, request: FindRequest, constraints: Sequence[Constraint]) -> Iterator[list[str]]:
        """Those of the candidates whose files fulfil ``constraints``."""
        skip, left = request.since, request.limit
        for batch in self._resolved(replace(request, since=0, limit=0), (), constraints):
            found = [id for id, _ in batch]
            skipped, skip = found[skip:], max(0, skip - len(found))
            if left and len(skipped) >= left:
                yield skipped[:left]
                return
            left -= len(skipped) if left else 0
            if skipped:
                yield skipped

    def _resolved(
        self, request: FindRequest, tags: Sequence[int], constraints: Sequence[Constraint]
    ) -> Iterator[list[tuple[str, Values]]]:
        """What the index finds, with the values of ``tags``; of it, what fulfils ``constraints``."""
        wanted = tuple(dict.fromkeys([*tags, *(one.tag for one in constraints)]))
        tests = [(one.tag, predicate(one)) for one in constraints]
        for page in self._indexed(request):
            for start in range(0, len(page), _BATCH):
                ids = page[start : start + _BATCH]
                resources = self._resources.get_many(request.level, ids, Parts.PARENT)
                resolved = self._requested_tags.resolve(resources, wanted)
                yield [
                    (resource.id, values)
                    for resource, values in zip(resources, resolved, strict=True)
                    if all(test(_text(values.get(tag))) for tag, test in tests)
                ]


def _text(value: object) -> str | None:
    """The value of an attribute as a constraint sees it: sequences and binary values match nothing."""
    return value if isinstance(value, str) else None
