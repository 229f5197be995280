/// How a report was made, so that somebody else can make it again.
package struct Origin: Sendable, Equatable {
    package var command: String
    /// Date, kernel, processor and cores.
    package var machine: String

    package init(command: String, machine: String) {
        self.command = command
        self.machine = machine
    }

    /// Of this process.
    package static var current: Origin {
        Origin(command: command(CommandLine.arguments), machine: MachineUsage.description)
    }

    /// The words as a shell takes them, without the secret that may stand among them: reports are passed on.
    package static func command(_ words: [String]) -> String {
        let secret = "--jwt-secret"
        var shown: [String] = []
        for word in words {
            if shown.last == secret {
                shown.append("SECRET")
            } else {
                shown.append(word.hasPrefix(secret + "=") ? secret + "=SECRET" : quoted(word))
            }
        }
        return shown.joined(separator: " ")
    }

    private static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || "-_./:,=+@".utf8.contains(byte)
        }
        return plain && !word.isEmpty ? word : "'\(word.replacing("'", with: "'\\''"))'"
    }
}
