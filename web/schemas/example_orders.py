"""Bodies of `POST /orders` that work, for the published document."""

NOIDA = {"latitude": 28.5355, "longitude": 77.3910, "address": "Sector 18, Noida"}
DELHI = {"latitude": 28.6139, "longitude": 77.2090, "address": "Connaught Place, Delhi"}
AGRA = {"latitude": 27.1767, "longitude": 78.0081, "address": "Agra"}
ACE = {"vehicleType": "TRUCK", "vehicleSubtype": "TATA_ACE"}
OPEN = {"vehicleType": "TRUCK", "vehicleSubtype": "OPEN_17FT"}
ONE_TRUCK = {
    "pickup": NOIDA,
    "drop": DELHI,
    "distanceKm": 25,
    "vehicleRequirements": [ACE | {"quantity": 1, "pricePerTruck": 500}],
    "goodsType": "furniture",
    "cargoWeightKg": 800,
}
MANY_TRUCKS = {
    "routePoints": [{"type": "PICKUP"} | NOIDA, {"type": "STOP"} | DELHI, {"type": "DROP"} | AGRA],
    "distanceKm": 233.5,
    "vehicleRequirements": [
        ACE | {"quantity": 2, "pricePerTruck": 5200},
        OPEN | {"quantity": 1, "pricePerTruck": 9100.5},
    ],
}
