# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice The papers of each title: a name, where it is, its digest, since when. ERC-1643 with the title's id before its arguments. A paper
belongs to the asset and outlives a title that ended.
"""

from access import agents

uses: agents

DOCUMENTS_MAX: constant(uint256) = 32

event DocumentUpdated:
    token_id: indexed(uint256)
    name: indexed(bytes32)
    uri: String[256]
    document_hash: bytes32

event DocumentRemoved:
    token_id: indexed(uint256)
    name: indexed(bytes32)
    uri: String[256]
    document_hash: bytes32

struct Document:
    uri: String[256]
    digest: bytes32
    updated_at: uint256

_documents: HashMap[uint256, HashMap[bytes32, Document]]
_names: HashMap[uint256, DynArray[bytes32, DOCUMENTS_MAX]]


@external
def set_document(token_id: uint256, name: bytes32, uri: String[256], document_hash: bytes32):
    """@notice Adds or replaces a paper of a title. Owner or agent."""
    agents._check_owner_or_agent()
    assert name != empty(bytes32), "documents: name is zero"
    if self._documents[token_id][name].updated_at == 0:
        assert len(self._names[token_id]) < DOCUMENTS_MAX, "documents: too many documents"
        self._names[token_id].append(name)
    self._documents[token_id][name] = Document(uri=uri, digest=document_hash, updated_at=block.timestamp)
    log DocumentUpdated(token_id=token_id, name=name, uri=uri, document_hash=document_hash)


@external
def remove_document(token_id: uint256, name: bytes32):
    """@notice Takes a paper off a title's list. Owner or agent."""
    agents._check_owner_or_agent()
    gone: Document = self._documents[token_id][name]
    assert gone.updated_at != 0, "documents: no such document"
    self._documents[token_id][name] = empty(Document)
    kept: DynArray[bytes32, DOCUMENTS_MAX] = []
    for other: bytes32 in self._names[token_id]:
        if other != name:
            kept.append(other)
    self._names[token_id] = kept
    log DocumentRemoved(token_id=token_id, name=name, uri=gone.uri, document_hash=gone.digest)


@external
@view
def document(token_id: uint256, name: bytes32) -> (String[256], bytes32, uint256):
    """@notice Where the paper is, its digest, and when it was last set (Unix seconds; zero when there is none)."""
    found: Document = self._documents[token_id][name]
    return found.uri, found.digest, found.updated_at


@external
@view
def documents(token_id: uint256) -> DynArray[bytes32, DOCUMENTS_MAX]:
    """@notice The names of a title's papers."""
    return self._names[token_id]
