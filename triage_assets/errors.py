"""The exception tree of the project, and the form of its messages.

What lives here: every error that a caller may want to catch by name. What does not: retry policy, which is decided
where an error happens, and HTTP status codes, which belong to the client and to the viewer.

TriageError
├── SettingsError              a setting is missing or wrong
├── AnnotatorError             the annotator's API
│   ├── ReadOnlyViolation      something other than a GET or the login was about to be sent
│   ├── AuthenticationError    wrong login, inactive user, or no permission
│   ├── AnnotatorUnavailable   no usable answer after every retry
│   ├── UnexpectedAnswer       an answer that is not what this API gives
│   ├── UnknownStage           a processing stage that the annotator would silently ignore
│   └── UnknownOrganization    an organization that the annotator does not have
├── StoreError                 the store as a whole
│   ├── StoreUnwritable        full disk, no permission
│   ├── ObjectExists           another writer has created the object first
│   ├── StoreMismatch          the store belongs to another annotator
│   └── NewerFormat            written by a newer version of this project
├── ShardError                 a shard, its index or the catalog
│   └── ShardGone              a shard that the catalog names and that is not there any more
├── NotStored                  a sequence or a frame that the store does not have, or no image of
├── PackageError               a model package that cannot be used
├── ScoringError               one sequence, or one model in a worker, cannot be scored
├── ClusterError               the cluster that scores cannot be used
├── ImageError                 bytes that are no readable image
├── ExchangeError              a folder to import or to export to, or one sequence in it
├── BacklogError               the split as the viewer shows it, or what was asked of it
│   ├── NoWorklists            the store has none
│   ├── WorklistsUnusable      damaged, half-written, or of another version
│   ├── WorklistsChanged       the question is about worklists that are no longer there
│   └── NotInBacklog           an organization, camera or model that the backlog does not have
└── ReviewError                the review database, or what was asked of it
    ├── ReviewUnavailable      it cannot be reached, opened, or is gone in the middle
    │   ├── ReviewBusy         another writer has held it for too long
    │   └── ReviewReadOnly     it may be read and not written
    ├── ReviewMismatch         it belongs to another annotator, or not to this store
    ├── NotInReview            a group or a sequence that it does not have
    ├── InvalidDecision        a decision that can never be carried out as it was asked for
    ├── NotMembers             sequences that are not members of the named group
    ├── InvalidAccount         no such account, or a name or password that none can have
    ├── ChangedMeanwhile       what was to be changed is no longer what was seen
    └── LabelConflict          the group carries another label
"""


class TriageError(Exception):
    """An error whose message says what happened, what was found, what was expected and what to do about it.

    Parts that are not known are left out. ``what`` alone is a complete sentence without its full stop.
    """

    def __init__(self, what: str, *, found: object = None, expected: object = None, do: str | None = None) -> None:
        self.what = what
        self.found = found
        self.expected = expected
        self.do = do
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [self.what]
        if self.found is not None:
            parts.append(f"found {self.found}")
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        message = "; ".join(parts)
        return f"{message}. {self.do}" if self.do else message

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling between processes with every part intact."""
        return (_rebuild, (type(self), self.what, self.found, self.expected, self.do))


def _rebuild(kind: type[TriageError], what: str, found: object, expected: object, do: str | None) -> TriageError:
    return kind(what, found=found, expected=expected, do=do)


class SettingsError(TriageError):
    """A setting is missing or has a value that cannot be used."""


class AnnotatorError(TriageError):
    """The annotator's API could not be used as asked."""


class ReadOnlyViolation(AnnotatorError):
    """A request other than a GET or the login was stopped before it was sent."""


class AuthenticationError(AnnotatorError):
    """The annotator refused the login, the user, or access to a resource."""


class AnnotatorUnavailable(AnnotatorError):
    """No usable answer came after every retry; trying again later may help."""


class UnexpectedAnswer(AnnotatorError):
    """The answer is not what this API gives; another retry will not help."""


class UnknownStage(AnnotatorError):
    """The processing stage is not one that the annotator filters by."""


class UnknownOrganization(AnnotatorError):
    """The annotator has no organization of that name."""


class StoreError(TriageError):
    """The store could not be read or written as asked."""


class StoreUnwritable(StoreError):
    """The store cannot take more data: full, read-only, or no permission."""


class ObjectExists(StoreError):
    """Another writer has created the object first; what it holds may be the same."""


class StoreMismatch(StoreError):
    """The store holds the backlog of another annotator."""


class NewerFormat(StoreError):
    """An artefact was written in a format version that this code does not know."""


class ShardError(TriageError):
    """A shard, its index or the catalog is damaged, or they disagree."""


class ShardGone(ShardError):
    """A shard that the catalog names is not there any more."""


class NotStored(TriageError):
    """The store has no such sequence or frame, or no image of it."""


class PackageError(TriageError):
    """A model package is refused."""


class ScoringError(TriageError):
    """One sequence cannot be scored, or one model fails in a worker; the others can."""


class ClusterError(TriageError):
    """The Dask cluster is not there, not of this version, or does not see what it must."""


class ImageError(TriageError):
    """Bytes that should be an image are none, or are cut short."""


class ExchangeError(TriageError):
    """A folder cannot be imported or exported to; or one sequence of it is left out."""


class BacklogError(TriageError):
    """The split as the viewer shows it, or what was asked of it."""


class NoWorklists(BacklogError):
    """The store has no worklists."""


class WorklistsUnusable(BacklogError):
    """The stored worklists are damaged, half-written, or of another version."""


class WorklistsChanged(BacklogError):
    """The question is about worklists that are no longer there; asking anew helps."""


class NotInBacklog(BacklogError):
    """The backlog has no such organization, camera or model."""


class ReviewError(TriageError):
    """The review database, or what was asked of it."""


class ReviewUnavailable(ReviewError):
    """The review database cannot be reached or opened, or is gone in the middle."""


class ReviewBusy(ReviewUnavailable):
    """Another writer has held the review database for too long; trying again helps."""


class ReviewReadOnly(ReviewUnavailable):
    """The review database may be read and not written."""


class ReviewMismatch(ReviewError):
    """The review database belongs to another annotator than the store, or the store's decisions to another database."""


class NotInReview(ReviewError):
    """The review database has no such group or sequence."""


class InvalidDecision(ReviewError):
    """What was decided can never be carried out as it was asked for."""


class NotMembers(ReviewError):
    """Some of the sequences are not members of the named group."""


class InvalidAccount(ReviewError):
    """There is no such account, there is one already, or none can have such a name or password."""


class ChangedMeanwhile(ReviewError):
    """What was to be changed is no longer as it was when somebody looked at it and decided."""


class LabelConflict(ReviewError):
    """The group carries another label than the one that was given."""
