// `make client LANG=swift` generates the package WeeloClient.
import Foundation
import WeeloClient

let environment = ProcessInfo.processInfo.environment
func authorised(_ token: String) -> WeeloClientAPIConfiguration {
    WeeloClientAPIConfiguration(
        basePath: environment["WEELO_URL"]!, customHeaders: ["Authorization": "Bearer " + environment[token]!],
        apiResponseQueue: .global())
}
let (customer, driver) = (authorised("CUSTOMER_TOKEN"), authorised("DRIVER_TOKEN"))
let ravi = Registration(
    name: "Ravi", phone: "+911234567890", vehicleType: "TRUCK", vehicleSubtype: "TATA_ACE", vehicleNumber: "KL 07 AB 1234")
_ = try await DriversAPI.driversRegister(registration: ravi, apiConfiguration: driver)
_ = try await DriversAPI.driversAvailability(availability: Availability(available: true), apiConfiguration: driver)
let here = Positions(locations: [ReportedPosition(latitude: 9.94, longitude: 76.27)])
_ = try await DriversAPI.driversLocations(positions: here, apiConfiguration: driver)

let needs = [VehicleRequirement(vehicleType: "TRUCK", vehicleSubtype: "TATA_ACE", quantity: 1, pricePerTruck: 500)]
let order = NewOrder(
    pickup: Place(latitude: 9.93, longitude: 76.27, address: "Fort Kochi"),
    drop: Place(latitude: 10.02, longitude: 76.31, address: "Edappally"), distanceKm: 14, vehicleRequirements: needs)
let key = UUID().uuidString
let id = try await OrdersAPI.ordersCreate(newOrder: order, xIdempotencyKey: key, apiConfiguration: customer).data.order.id

let trip = try await DriversAPI.ordersAccept(orderId: id, accept: Accept(), apiConfiguration: driver).data.truckRequestId
for step in [TripStatus.Status.enRoutePickup, .atPickup, .inTransit, .arrivedAtDrop, .completed] {
    _ = try await DriversAPI.driversTripStatus(
        truckRequestId: trip, tripStatus: TripStatus(status: step), apiConfiguration: driver)
}
print(try await OrdersAPI.ordersShow(orderId: id, apiConfiguration: customer).data.order.status.rawValue)
