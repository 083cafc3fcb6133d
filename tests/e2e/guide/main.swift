// What an app has around the samples of docs/app-guide.md, which are a file beside this one.
import Foundation

func first(_ values: AsyncStream<String>) async -> String {
    for await value in values { return value }
    fatalError("the stream has ended")
}

let environment = ProcessInfo.processInfo.environment
let (customerToken, driverToken) = (environment["CUSTOMER_TOKEN"]!, environment["DRIVER_TOKEN"]!)
let order = try JSONSerialization.jsonObject(with: Data(environment["ORDER"]!.utf8)) as! [String: Any]
let placed = try await call(customerToken, "POST", "/orders", order, key: UUID().uuidString)
var state = placed["order"] as! [String: Any]
while state["status"] as! String == "queued" {
    try await Task.sleep(nanoseconds: 500_000_000)
    state = try await call(customerToken, "GET", "/orders/\(state["id"]!)")["order"] as! [String: Any]
}
print("then \(state["status"]!)")

let (offers, offered) = AsyncStream<String>.makeStream()
let (names, confirmed) = AsyncStream<String>.makeStream()
let ravi = Listener(token: driverToken) { frame in
    guard frame["type"] as? String == "new_broadcast", let data = frame["data"] as? [String: Any] else { return }
    offered.yield(data["orderId"] as! String)
}
let asha = Listener(token: customerToken) { frame in
    guard frame["type"] as? String == "truck_confirmed", let data = frame["data"] as? [String: Any] else { return }
    confirmed.yield((data["driver"] as! [String: Any])["name"] as! String)
}
Task { try await ravi.run() }
Task { try await asha.run() }
_ = try await call(driverToken, "PUT", "/drivers/me/availability", ["available": true])
Task {
    while true {
        await ravi.send("update_location", ["latitude": 26.92, "longitude": 75.79])
        try await Task.sleep(nanoseconds: 500_000_000)
    }
}

let orderId = await first(offers)
let won = try await call(driverToken, "POST", "/orders/\(orderId)/accept", [:])
print("won \((won["trip"] as! [String: Any])["status"]!)")
print("confirmed \(await first(names))")
do {
    _ = try await call(driverToken, "POST", "/orders/nothing/accept", [:])
} catch let failure as Failure {
    print("refused \(failure.code)")
}
await asha.heartbeat()
