import { attack } from './attack.ts'
import { loops, loopsInLooking, loopsLater } from './families/loops.ts'
import { nativeLoops, rejections } from './families/native.ts'

attack(loops, loopsLater, loopsInLooking, rejections, nativeLoops)
