// `make client LANG=typescript` generates weelo.d.ts; npm install openapi-fetch makes its calls.
// Node 22.18 and newer runs it as it is.
import createClient from "openapi-fetch";
import type { paths } from "./weelo.d.ts";

const as = (token?: string) =>
  createClient<paths>({ baseUrl: process.env.WEELO_URL, headers: { Authorization: `Bearer ${token}` } });
const [customer, driver] = [as(process.env.CUSTOMER_TOKEN), as(process.env.DRIVER_TOKEN)];
const vehicle = { vehicleType: "TRUCK", vehicleSubtype: "TATA_ACE" };
const plate = { name: "Ravi", phone: "+911234567890", vehicleNumber: "KL 07 AB 1234" };
await driver.PUT("/api/v1/drivers/me", { body: { ...plate, ...vehicle } });
await driver.PUT("/api/v1/drivers/me/availability", { body: { available: true } });
await driver.POST("/api/v1/drivers/me/locations", { body: { locations: [{ latitude: 9.94, longitude: 76.27 }] } });

const pickup = { latitude: 9.93, longitude: 76.27, address: "Fort Kochi" };
const drop = { latitude: 10.02, longitude: 76.31, address: "Edappally" };
const needs = [{ ...vehicle, quantity: 1, pricePerTruck: 500 }];
const body = { pickup, drop, distanceKm: 14, vehicleRequirements: needs };
const header = { "X-Idempotency-Key": crypto.randomUUID() };
const { data: placed } = await customer.POST("/api/v1/orders", { body, params: { header } });

const path = { orderId: placed!.data.order.id };
const { data: won } = await driver.POST("/api/v1/orders/{orderId}/accept", { body: {}, params: { path } });
const trip = { truckRequestId: won!.data.truckRequestId };
for (const status of ["en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop", "completed"] as const)
  await driver.POST("/api/v1/trips/{truckRequestId}/status", { body: { status }, params: { path: trip } });
const { data: after } = await customer.GET("/api/v1/orders/{orderId}", { params: { path } });
console.log(after?.data.order.status);
