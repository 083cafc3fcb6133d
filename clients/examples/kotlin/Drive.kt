// `make client LANG=kotlin` generates com.weelo.client.
import com.weelo.client.apis.*
import com.weelo.client.models.*
import okhttp3.OkHttpClient
import java.util.UUID

fun authorised(token: String) = OkHttpClient.Builder().addInterceptor {
    it.proceed(it.request().newBuilder().header("Authorization", "Bearer $token").build())
}.build()

fun main() {
    val url = System.getenv("WEELO_URL")
    val customer = OrdersApi(url, authorised(System.getenv("CUSTOMER_TOKEN")))
    val driver = DriversApi(url, authorised(System.getenv("DRIVER_TOKEN")))
    driver.driversRegister(Registration("Ravi", "+911234567890", "TRUCK", "TATA_ACE", "KL 07 AB 1234"))
    driver.driversAvailability(Availability(true))
    driver.driversLocations(Positions(listOf(ReportedPosition(9.94, 76.27))))

    val pickup = Place(9.93, 76.27, "Fort Kochi")
    val drop = Place(10.02, 76.31, "Edappally")
    val needs = listOf(VehicleRequirement("TRUCK", "TATA_ACE", 1, 500.0))
    val order = NewOrder(14.0, needs, pickup, drop)
    val orderId = customer.ordersCreate(order, UUID.randomUUID().toString()).`data`.order.id

    val trip = driver.ordersAccept(orderId, Accept()).`data`.truckRequestId
    listOf("en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed").forEach {
        driver.driversTripStatus(trip, TripStatus(TripStatus.Status.valueOf(it)))
    }
    println(customer.ordersShow(orderId).`data`.order.status)
}
