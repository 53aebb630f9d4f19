# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice The papers of a security: a name, where it is, its digest, since when (ERC-1643). Knows nothing of what they say.
"""

from access import agents
from access import refusals

uses: agents

DOCUMENTS_MAX: constant(uint256) = 64

event DocumentUpdated:
    name: indexed(bytes32)
    uri: String[256]
    documentHash: bytes32

event DocumentRemoved:
    name: indexed(bytes32)
    uri: String[256]
    documentHash: bytes32

struct Document:
    uri: String[256]
    digest: bytes32
    updated_at: uint256

_documents: HashMap[bytes32, Document]
_names: DynArray[bytes32, DOCUMENTS_MAX]


@external
def setDocument(_name: bytes32, _uri: String[256], _documentHash: bytes32):
    """@notice Adds or replaces a paper. Owner or agent."""
    agents._check_owner_or_agent()
    if _name == empty(bytes32):
        refusals._refuse("documents: name is zero")
    if self._documents[_name].updated_at == 0:
        self._names.append(_name)
    self._documents[_name] = Document(uri=_uri, digest=_documentHash, updated_at=block.timestamp)
    log DocumentUpdated(name=_name, uri=_uri, documentHash=_documentHash)


@external
def removeDocument(_name: bytes32):
    """@notice Takes a paper off the list. Owner or agent."""
    agents._check_owner_or_agent()
    gone: Document = self._documents[_name]
    if gone.updated_at == 0:
        refusals._refuse("documents: no such document")
    self._documents[_name] = empty(Document)
    # The last name takes the place of the one that goes.
    last: bytes32 = self._names.pop()
    for place: uint256 in range(len(self._names), bound=DOCUMENTS_MAX):
        if self._names[place] == _name:
            self._names[place] = last
    log DocumentRemoved(name=_name, uri=gone.uri, documentHash=gone.digest)


@external
@view
def getDocument(_name: bytes32) -> (String[256], bytes32, uint256):
    """@notice Where the paper is, its digest, and when it was last set (Unix seconds; zero when there is none)."""
    found: Document = self._documents[_name]
    return found.uri, found.digest, found.updated_at


@external
@view
def getAllDocuments() -> DynArray[bytes32, DOCUMENTS_MAX]:
    return self._names
