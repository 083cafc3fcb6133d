// What an app has around the samples of docs/app-guide.md, which stand where it says SAMPLES.
import java.io.IOException
import java.time.Instant
import java.util.UUID
import java.util.concurrent.TimeUnit
import kotlin.random.Random
import kotlinx.coroutines.*
import okhttp3.*
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.RequestBody.Companion.toRequestBody
import org.json.*

object SystemClock { fun elapsedRealtime() = System.nanoTime() / 1_000_000 }
class Location(val latitude: Double, val longitude: Double, val time: Long)

// OBJECTS

fun main(): Unit = runBlocking(Dispatchers.Default) {
    val customerToken = System.getenv("CUSTOMER_TOKEN")
    val driverToken = System.getenv("DRIVER_TOKEN")
    val order = JSONObject(System.getenv("ORDER"))
    val location = Location(26.92, 75.79, System.currentTimeMillis())
    val scope = this
    val offers = CompletableDeferred<JSONObject>()
    val confirmed = CompletableDeferred<JSONObject>()
    fun onFrame(frame: JSONObject) {
        ServerClock.note(frame.getString("at"))
        val data = frame.getJSONObject("data")
        when (frame.getString("type")) {
            "new_broadcast" -> offers.complete(data)
            "truck_confirmed" -> confirmed.complete(data)
        }
    }

    // SAMPLES

    println("then ${state.getString("status")}")
    val customerSocket = Listener(customerToken, scope, ::onFrame).apply { open() }
    while (!offers.isCompleted) {
        delay(500)
        driverSocket.send("update_location", here)
    }
    val offer = offers.await()
    check(ServerClock.millisLeft(offer.getString("expiresAt")) in 1..61_000)
    val won = call(driverToken, "POST", "/orders/${offer.getString("orderId")}/accept", JSONObject())
    println("won ${won.getJSONObject("trip").getString("status")}")
    println("confirmed ${confirmed.await().getJSONObject("driver").getString("name")}")
    try {
        call(driverToken, "POST", "/orders/nothing/accept", JSONObject())
    } catch (e: Failure) {
        println("refused ${e.code}")
    }
    customerSocket.heartbeat()
    kotlin.system.exitProcess(0)
}
