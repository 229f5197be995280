import ArgumentParser
import Glibc
import Yams

/// Options from the configuration file and the environment, as arguments in front of the command line's own: the parser
/// takes the last value, so the command line wins over the environment, and the environment over the file.
enum LayeredArguments {
    /// The options that may stand in a file and in the environment, and whether they take a value.
    private static let options: [String: Bool] = [
        "listen": true, "tcp-listen": true, "data": true, "jwt-secret": true, "api-key": true, "session-secret": true,
        "session-window": true, "loops": true, "shards-per-loop": true, "shard-limit": true, "retention": true,
        "log-level": true, "dev": false,
    ]
    private static let prefix = "SWITCHBOARD_"

    /// What runs the router has all layers; `token` takes its secret from the environment too.
    static func assemble(_ arguments: [String]) throws -> [String] {
        switch arguments.first {
        case "token": return ["token"] + secretFromEnvironment() + arguments.dropFirst()
        case "help": return arguments
        default: return try layers(arguments) + arguments
        }
    }

    private static func layers(_ arguments: [String]) throws -> [String] {
        let environment = try environmentOptions()
        var path = environment.path
        for (index, argument) in arguments.enumerated() {
            if argument == "--config", index + 1 < arguments.count { path = arguments[index + 1] }
            if argument.hasPrefix("--config=") { path = String(argument.dropFirst("--config=".count)) }
        }
        return (try path.map(fileOptions) ?? []) + environment.arguments
    }

    private static func secretFromEnvironment() -> [String] {
        guard let secret = getenv(prefix + "JWT_SECRET") else { return [] }
        return ["--jwt-secret", String(cString: secret)]
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
            if name == "config" {
                path = value
            } else {
                arguments += try argument(name, value, from: "environment variable \(variable)")
            }
        }
        return (arguments, path)
    }

    // MARK: File

    private static func fileOptions(_ path: String) throws -> [String] {
        guard let text = contents(of: path) else {
            throw ValidationError("can't read the configuration file \(path): \(String(cString: strerror(errno)))")
        }
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw ValidationError("\(path) is no YAML: \(error)")
        }
        guard let node else { return [] }
        guard let mapping = node.mapping else {
            throw ValidationError("\(path) must hold options like “listen: 127.0.0.1:8080”, one a line")
        }
        var arguments: [String] = []
        for (key, value) in mapping {
            guard let name = key.string, let scalar = value.scalar else {
                throw ValidationError("\(path): each option must have one plain value")
            }
            arguments += try argument(name, scalar.string, from: "key “\(name)” in \(path)")
        }
        return arguments
    }

    private static func argument(_ name: String, _ value: String, from source: String) throws -> [String] {
        guard let takesValue = options[name] else {
            let known = options.keys.sorted().joined(separator: ", ")
            throw ValidationError("unknown option: \(source). Known are: \(known)")
        }
        guard !takesValue else { return ["--\(name)=\(value)"] }
        switch value.lowercased() {
        case "true", "yes", "on", "1": return ["--\(name)"]
        case "false", "no", "off", "0", "": return []
        default: throw ValidationError("\(source) must be true or false")
        }
    }

    private static func contents(of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
