# pip install ./clients/python
import os

from weelo_client import Customer, Driver, Placed

customer = Customer(os.environ["WEELO_URL"], os.environ["CUSTOMER_TOKEN"])
driver = Driver(os.environ["WEELO_URL"], os.environ["DRIVER_TOKEN"])
vehicle = {"vehicleType": "TRUCK", "vehicleSubtype": "TATA_ACE"}
driver.register({"name": "Ravi", "phone": "+911234567890", "vehicleNumber": "KL 07 AB 1234", **vehicle})
driver.available()
driver.report({"latitude": 9.94, "longitude": 76.27})

result = customer.order(
    {
        "pickup": {"latitude": 9.93, "longitude": 76.27, "address": "Fort Kochi"},
        "drop": {"latitude": 10.02, "longitude": 76.31, "address": "Edappally"},
        "distanceKm": 14,
        "vehicleRequirements": [{**vehicle, "quantity": 1, "pricePerTruck": 500}],
    }
)
assert isinstance(result, Placed), result
trip = driver.accept(result.order["id"])["trip"]
for step in ("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"):
    driver.advance(trip["truckRequestId"], step)
print(customer.get(result.order["id"])["order"]["status"])
