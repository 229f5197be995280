import ArgumentParser
import Glibc
import Reactor
import Yams

/// Options from the configuration file and the environment, as arguments in front of the command line's own: the parser
/// takes the last value, so the command line wins over the environment, and the environment over the file.
enum LayeredArguments {
    /// The options that may stand in a file and in the environment.
    private static let known = OptionNames(RouterOptions.self)
    private static let prefix = "SWITCHBOARD_"
    private static let fileBytesMax = 1 << 20

    /// The command line with what the file and the environment say in front of it.
    static func assemble(_ arguments: [String]) throws -> [String] {
        // Whoever asks for help may have just that wrong.
        let asksForHelp = arguments.first == "help" || arguments.contains { ["-h", "--help"].contains($0) }
        if asksForHelp { return arguments }
        let environment = try environmentOptions()
        var path = environment.path
        for (index, argument) in arguments.enumerated() {
            if argument == "--config", index + 1 < arguments.count { path = arguments[index + 1] }
            if argument.hasPrefix("--config=") { path = String(argument.dropFirst("--config=".count)) }
        }
        return (try path.map(fileOptions) ?? []) + environment.arguments + arguments
    }

    // MARK: Environment

    private static func environmentOptions() throws -> (arguments: [String], path: String?) {
        var arguments: [String] = []
        var path: String?
        var entry = environ
        while let pointer = entry.pointee {
            entry += 1
            let text = String(cString: pointer)
            guard text.hasPrefix(prefix), let equals = text.firstIndex(of: "=") else { continue }
            let variable = String(text[..<equals])
            let name = variable.dropFirst(prefix.count).lowercased().replacing("_", with: "-")
            let value = String(text[text.index(after: equals)...])
            if name == OptionNames.config {
                path = value
            } else {
                arguments += try argument(name, value, from: "environment variable \(variable)")
            }
        }
        return (arguments, path)
    }

    // MARK: File

    private static func fileOptions(_ path: String) throws -> [String] {
        let text: [UInt8]
        do throws(Errno) {
            text = try SmallFile.read(path, bytesMax: fileBytesMax)
        } catch {
            throw ValidationError("can't read the configuration file \(path): \(error)")
        }
        let node: Node?
        do {
            node = try Yams.compose(yaml: String(decoding: text, as: UTF8.self))
        } catch {
            throw ValidationError("\(path) is no YAML: \(error)")
        }
        guard let node else { return [] }
        guard let mapping = node.mapping else {
            throw ValidationError("\(path) must hold options like “listen: 127.0.0.1:8080”, one a line")
        }
        var arguments: [String] = []
        for (key, value) in mapping {
            let values = value.sequence.map(Array.init) ?? [value]
            let scalars = values.compactMap { $0.scalar?.string }
            guard let name = key.string, scalars.count == values.count else {
                throw ValidationError("\(path): each option must have one plain value, or a list of them")
            }
            guard value.sequence == nil || known.mayRepeat.contains(name) else {
                throw ValidationError("\(path): “\(name)” takes one value")
            }
            for scalar in scalars { arguments += try argument(name, scalar, from: "key “\(name)” in \(path)") }
        }
        return arguments
    }

    private static func argument(_ name: String, _ value: String, from source: String) throws -> [String] {
        guard let takesValue = known.takesValue[name], name != OptionNames.config else {
            let names = known.takesValue.keys.filter { $0 != OptionNames.config }.sorted().joined(separator: ", ")
            throw ValidationError("unknown option: \(source). Known are: \(names)")
        }
        guard !takesValue else { return ["--\(name)=\(value)"] }
        switch value.lowercased() {
        case "true", "yes", "on", "1": return ["--\(name)"]
        case "false", "no", "off", "0", "": return []
        default: throw ValidationError("\(source) must be true or false")
        }
    }
}

/// The long options that a type declares, read off its properties as the parser does.
struct OptionNames {
    /// Says where the file is, so it can't stand in it.
    static let config = "config"

    /// By name without the dashes, whether the option takes a value.
    private(set) var takesValue: [String: Bool] = [:]
    /// Those that may stand there more than once.
    private(set) var mayRepeat: Set<String> = []

    init<Options: ParsableArguments>(_ options: Options.Type) {
        for child in Mirror(reflecting: Options()).children {
            // The wrapper of `tcpListen` is stored as `_tcpListen`.
            guard let label = child.label, label.first == "_" else { continue }
            if let group = child.value as? any OptionContainer {
                takesValue.merge(group.names.takesValue) { $1 }
                continue
            }
            let name = label.dropFirst().map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined()
            takesValue[name] = !(child.value is Flag<Bool>)
            if child.value is Option<[String]> { mayRepeat.insert(name) }
        }
    }
}

/// A group of options within others.
private protocol OptionContainer {
    var names: OptionNames { get }
}

extension OptionGroup: OptionContainer {
    fileprivate var names: OptionNames { OptionNames(Value.self) }
}
