import { attack } from './attack.ts'
import { loads, manifests, maps } from './families/publishes.ts'

attack(loads, manifests, maps)
