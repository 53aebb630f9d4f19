# SPDX-License-Identifier: Apache-2.0
"""What instruments refuses: a record, a package, a document or a step that cannot be. Defects inside a package are values, not errors."""

from __future__ import annotations

from muniment.units.errors import MunimentError


class NotAVin(MunimentError):
    """The text cannot be a vehicle identification number."""

    code = "instruments.not_a_vin"
    message = "“{text}” is not a vehicle identification number: {problem}."
    cure = "Give the 17 characters as they stand on the vehicle: digits and capital letters without I, O and Q."


class VinCheckDigitWrong(MunimentError):
    """A North American VIN whose ninth character does not fit the others."""

    code = "instruments.vin_check_digit_wrong"
    message = "The ninth character of {vin} is “{found}”; the other sixteen call for “{expected}”."
    cure = "Compare the number with the vehicle: at least one character is mistyped."


class RecordInvalid(MunimentError):
    """A field of an asset record is missing, unknown or of the wrong kind."""

    code = "instruments.record_invalid"
    message = "The asset record cannot be read: {problem}."
    cure = "Mend the field named and send the record again."


class IdentifierInvalid(MunimentError):
    """An ISIN, LEI, CUSIP, SEDOL or FIGI whose form or check digit is wrong."""

    code = "instruments.identifier_invalid"
    message = "“{text}” is not a valid {scheme}."
    cure = "Compare it with the issuer's papers: the check digit does not allow a mistyped character."


class UnknownIdentifierKind(MunimentError):
    """A kind of identifier that nobody here checks."""

    code = "instruments.unknown_identifier_kind"
    message = "“{kind}” is no kind of identifier that is checked here."
    cure = "Use one of: {kinds}."


class FieldTooLong(MunimentError):
    """A text longer than the record may carry."""

    code = "instruments.text_too_long"
    message = "{characters} characters are too many; at most {characters_max} are kept here."
    cure = "Shorten the text, or attach it as a document."


class AssetAlreadyRecorded(MunimentError):
    """The same record exists: its id is its content."""

    code = "instruments.asset_already_recorded"
    message = "This issuer has recorded the asset {asset_id} already."
    cure = "Use the record that exists."


class AssetNotFound(MunimentError):
    """No such asset among the issuer's."""

    code = "instruments.asset_not_found"
    message = "There is no asset {asset_id} here."
    cure = "List the assets and take an id from there."


class SecurityNotFound(MunimentError):
    """No such security among the issuer's."""

    code = "instruments.security_not_found"
    message = "There is no security {security_id} here."
    cure = "List the securities and take an id or a symbol from there."


class DocumentNotFound(MunimentError):
    """No such document among the issuer's."""

    code = "instruments.document_not_found"
    message = "There is no document {document_id} here."
    cure = "List the documents and take an id from there."


class SymbolTaken(MunimentError):
    """Another of the issuer's securities has the symbol."""

    code = "instruments.symbol_taken"
    message = "The symbol {symbol} belongs to another security of this issuer."
    cure = "Choose another symbol."


class SymbolInvalid(MunimentError):
    """A symbol that tickers cannot carry."""

    code = "instruments.symbol_invalid"
    message = "“{symbol}” cannot be a symbol."
    cure = "Use 1 to 11 capital letters, digits, points and dashes; start with a letter or a digit."


class SecurityTermsInvalid(MunimentError):
    """A name, a number of decimals or of authorised shares that a token cannot have."""

    code = "instruments.terms_invalid"
    message = "The security cannot be drafted: {problem}."
    cure = "Mend the field named and try again."


class WrongState(MunimentError):
    """The security is not in a state that allows the step."""

    code = "instruments.wrong_state"
    message = "The security is {state}; {step} needs it {needed}."
    cure = "Wait for the step before, or look at the security's page to see why it stands still."


class NoTitle(MunimentError):
    """No deed stands for the asset, or it is not minted yet."""

    code = "instruments.no_title"
    message = "No deed of {title} is in anybody's wallet."
    cure = "Tokenise the asset with its owner's wallet, and wait until the deed is minted."


class LienNotFound(MunimentError):
    """No such lien is open on the asset's deed."""

    code = "instruments.lien_not_found"
    message = "No lien {lien_id} is open on this asset."
    cure = "Show the asset's title and take an open lien's id from there."


class NotAHash(MunimentError):
    """No 32 bytes in hexadecimal."""

    code = "instruments.not_a_hash"
    message = "This is neither an asset id nor a document's hash."
    cure = "Give 0x and 64 hexadecimal digits, or choose the document itself: its hash is then computed on your machine."


class DocumentTooLarge(MunimentError):
    """More bytes than one document may have."""

    code = "instruments.document_too_large"
    message = "The document {name} has {size_bytes} bytes; at most {bytes_max} are stored."
    cure = "Compress it, split it, or keep the file yourself and record its hash in the asset record."


class DocumentNameInvalid(MunimentError):
    """A name that is empty, too long, or would lead out of a folder."""

    code = "instruments.document_name_invalid"
    message = "“{name}” cannot be a document's name."
    cure = "Use up to 200 characters without slashes, backslashes and control characters."


class DocumentAlreadyStored(MunimentError):
    """The same bytes are stored for this asset."""

    code = "instruments.document_already_stored"
    message = "These bytes are stored already, as {name}."
    cure = "Nothing is to be done."


class PackageUnreadable(MunimentError):
    """Nothing of an Open Cap Table package can be used."""

    code = "instruments.package_unreadable"
    message = "The package cannot be read: {problem}."
    cure = "Give a folder or a zip file with one Manifest.ocf.json and the files it names."


class NoCapTable(MunimentError):
    """The Open Cap Table Format describes companies only."""

    code = "instruments.no_cap_table"
    message = "{title} is of the kind {kind}; only a company has a cap table."
    cure = "Ask for a security of a company, or read the register instead."


class PackageTooLarge(MunimentError):
    """A package beyond the limits: files, bytes, objects."""

    code = "instruments.package_too_large"
    message = "The package has {found} {unit}; at most {allowed} are read."
    cure = "Split the package, or export it without documents."


class PackageUnsafe(MunimentError):
    """A zip that names a path outside itself, holds a link, is encrypted, or unpacks to far more than it weighs."""

    code = "instruments.package_unsafe"
    message = "The archive is refused: {problem}."
    cure = "Make the zip again from the package's folder with an ordinary tool."


class PlatformMissing(MunimentError):
    """The shared contracts are not on this chain yet."""

    code = "instruments.platform_missing"
    message = "The platform's {name} is not deployed on chain {chain_id}."
    cure = "Run `muniment up` or `muniment contracts deploy` as the operator of the platform."


class NotAPlatformContract(MunimentError):
    """A name that no platform contract has."""

    code = "instruments.not_a_platform_contract"
    message = "“{name}” is no contract of the platform."
    cure = "Use one of: {names}."


class DeploymentFailed(MunimentError):
    """The chain refused a step of a deployment."""

    code = "instruments.deployment_failed"
    message = "The chain refused {purpose}: {reason}."
    cure = "Look at the transaction; the step is not tried again by itself."
