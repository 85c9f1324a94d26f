import { count } from './count.js'

export default {
  async fetch(request) {
    return Response.json(count(await request.json()))
  },
}
