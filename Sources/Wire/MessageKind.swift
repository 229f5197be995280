/// Whom a message is for; the raw value is the `cmd` of both protocols.
package enum MessageKind: UInt8, Sendable {
    case privateMessage = 10
    case group = 11
}
